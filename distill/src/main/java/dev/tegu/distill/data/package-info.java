/**
 * Data files as training sequences: reading, splitting, masking, packing, the tokens on disk, and
 * the order in which sequences are read.
 */
package dev.tegu.distill.data;
