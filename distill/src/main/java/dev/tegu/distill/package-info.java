/** The training stages and what a configuration says of them. */
package dev.tegu.distill;
