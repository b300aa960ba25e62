/**
 * Text files as training sequences: reading, masking, packing, and the order in which they are
 * read.
 */
package dev.tegu.distill.data;
