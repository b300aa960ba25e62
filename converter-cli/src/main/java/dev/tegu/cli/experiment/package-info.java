/**
 * Experiments: one YAML file says which teacher becomes which student, how, and what is measured.
 */
package dev.tegu.cli.experiment;
