/**
 * Kernels of our own on a CUDA device: compiled by NVRTC when they are first needed, launched
 * through the driver on libtorch's memory and stream. All of it through JNA, no native code of
 * ours.
 */
package dev.tegu.engine.cuda;
