/** Training a small model from scratch: its settings, and the run. */
package dev.tegu.cli.pretrain;
