/** Talk and progress on stderr: a bar on a terminal, plain lines elsewhere. */
package dev.tegu.cli.console;
