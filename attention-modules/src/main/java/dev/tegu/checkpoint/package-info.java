/**
 * Files of models: safetensors, HuggingFace directories, and results that exist whole or not at
 * all.
 *
 * <p>Readers trust nothing that a file says about itself before it is checked. Content that is
 * wrong is a {@link dev.tegu.checkpoint.CheckpointException}; a disk that fails is an {@link
 * java.io.IOException}.
 */
package dev.tegu.checkpoint;
