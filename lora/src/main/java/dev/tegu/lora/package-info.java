/** Low-rank adapters: beside a model, in PEFT's files, merged into the weights. */
package dev.tegu.lora;
