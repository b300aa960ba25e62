package dev.tegu.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The value that a configuration key takes when it is absent, written as it would stand in YAML.
 *
 * <p>A record component without this annotation is required, unless its type is {@link
 * java.util.Optional}. {@code @Default("{}")} on a component of record type means that record with
 * all its own defaults.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Default {
    /**
     * YAML text of the default, for example {@code 1.0e-4}, {@code [q_proj]} or {@code hedgehog}.
     */
    String value();
}
