/**
 * The one linearized attention layer: its switches ({@link dev.tegu.attention.AttentionSpec}), its
 * parameters, and its three forms, which are the same function.
 */
package dev.tegu.attention;
