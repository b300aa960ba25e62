/** Pictures of what the methods do, as SVG. */
package dev.tegu.cli.picture;
