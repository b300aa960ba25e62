/**
 * Generated documents with questions whose answers stand in the document: what a model must carry
 * in its state. The same generators serve the evaluation tasks and the demo corpus.
 */
package dev.tegu.eval.probe;
