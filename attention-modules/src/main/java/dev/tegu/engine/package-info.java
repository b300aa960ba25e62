/**
 * Devices, dtypes and TorchScript: the only package that knows how DJL's PyTorch engine is driven.
 */
package dev.tegu.engine;
