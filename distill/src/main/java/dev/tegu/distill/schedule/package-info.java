/** The learning rate as a function of the step. */
package dev.tegu.distill.schedule;
