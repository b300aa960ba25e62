/** What this machine offers to the program, and what is wrong with it. */
package dev.tegu.cli.doctor;
