package dev.tegu.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a component of record type whose keys stand in the block of its owner, beside the owner's
 * own, so that records can have keys in common without a level of text of their own.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Flat {
    /**
     * Defaults of this owner for some of the keys, laid over the component's own {@link Default}s:
     * a YAML block, for example <code>{learning_rate: 1.0e-2}</code>.
     */
    String value() default "{}";
}
