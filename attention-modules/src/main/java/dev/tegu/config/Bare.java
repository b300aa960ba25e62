package dev.tegu.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a component whose value may stand bare in the place of its record's block, and is written
 * so when every other component has its default.
 *
 * <p>A list goes to the marked component that is a {@code List}, a number or word to the one that
 * is not. A record has at most one of each; the first one is written where all have their defaults.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Bare {}
