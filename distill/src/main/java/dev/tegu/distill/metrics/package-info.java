/** What a training loop tells the world, and the file that keeps it. */
package dev.tegu.distill.metrics;
