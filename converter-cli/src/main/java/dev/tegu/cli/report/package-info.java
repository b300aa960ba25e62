/** The page that sets models beside their teacher, made from the files that evaluations leave. */
package dev.tegu.cli.report;
