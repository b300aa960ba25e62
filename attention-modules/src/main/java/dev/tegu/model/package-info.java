/** The decoder: architectures as data, weights, forward pass, decoding. */
package dev.tegu.model;
