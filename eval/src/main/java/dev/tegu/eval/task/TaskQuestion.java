package dev.tegu.eval.task;

import dev.tegu.eval.Sample.Request;
import java.util.List;

/**
 * A record as it is asked.
 *
 * @param doc the record
 * @param member index of its subject
 * @param rotation by how many places its options are turned, 0 for the published order
 * @param requests what the model is asked: one an answer, or a single one
 * @param choices the answers, none where there is nothing to choose
 * @param gold index of the right one, -1 where there is nothing to choose
 * @param target the right answer as lm-evaluation-harness's samples have it: an index, or a text
 */
record TaskQuestion(
        TaskDoc doc,
        int member,
        int rotation,
        List<Request> requests,
        List<String> choices,
        int gold,
        String target) {}
