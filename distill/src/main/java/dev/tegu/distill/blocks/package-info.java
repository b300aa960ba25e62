/** Attention transfer a block of layers at a time, with the results as files. */
package dev.tegu.distill.blocks;
