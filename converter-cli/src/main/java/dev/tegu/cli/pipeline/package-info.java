/**
 * What {@code run} and {@code train} do with an experiment: stages, student, evaluation, export.
 */
package dev.tegu.cli.pipeline;
