/**
 * Checkpoints of the LoLCATs repository: files of {@code torch.save} with the trained tensors of a
 * student alone, under that program's names.
 */
package dev.tegu.model.lolcats;
