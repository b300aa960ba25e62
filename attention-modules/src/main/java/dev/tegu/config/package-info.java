/**
 * Strict configuration: YAML or JSON text to records, with every fault found at once and placed at
 * its line and column.
 *
 * <p>{@link dev.tegu.config.ConfigNode} is the text as a tree that remembers where each key and
 * value stood; {@link dev.tegu.config.ConfigBinder} turns such a tree into records and back.
 */
package dev.tegu.config;
