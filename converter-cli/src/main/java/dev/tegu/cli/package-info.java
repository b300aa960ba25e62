/**
 * The command line: parse, build a request, call a library, render. The only code that prints, and
 * whose {@code main} alone ends the process.
 */
package dev.tegu.cli;
