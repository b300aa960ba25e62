/** Measurements of time and memory: the points, what they say together, and their picture. */
package dev.tegu.cli.bench;
