/**
 * Files of {@code torch.save}, read as data: a zip archive with a pickle that describes the tensors
 * and a file of bytes for each storage.
 *
 * <p>A pickle is a program. The one here is interpreted by a machine that knows dictionaries,
 * lists, numbers, text and tensors and nothing else; it refuses every other name, so that no file
 * can make it run anything.
 */
package dev.tegu.checkpoint.pickle;
