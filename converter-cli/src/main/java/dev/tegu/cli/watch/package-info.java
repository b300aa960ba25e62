/** What a person watches of a run beside the console: TensorBoard's files, and the report. */
package dev.tegu.cli.watch;
