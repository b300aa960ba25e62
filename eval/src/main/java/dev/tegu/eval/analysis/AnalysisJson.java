package dev.tegu.eval.analysis;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.WindowSpec;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** An analysis as JSON, in the layout that {@code docs/analysis.md} describes. */
public final class AnalysisJson {
    private static final int VERSION = 1;

    private AnalysisJson() {}

    /**
     * @param teacher name of that model
     * @param student name of that model
     * @return numbers that do not exist are null
     */
    public static ObjectNode of(AnalysisResult result, String teacher, String student) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("format", "tegu-analysis").put("version", VERSION);
        json.put("teacher", teacher).put("student", student);
        putSettings(json.putObject("settings"), result.read());
        result.window()
                .ifPresentOrElse(
                        window -> putWindow(json.putObject("window"), window),
                        () -> json.putNull("window"));
        ObjectNode agreement = json.putObject("agreement");
        putComparison(agreement.putObject("mean"), result.agreement().mean());
        putBins(agreement.putArray("by_position"), result.agreement().byPosition());
        putBins(agreement.putArray("by_distance_beyond_window"), result.agreement().byDistance());
        ArrayNode layers = json.putArray("layers");
        result.layers().forEach(layer -> putLayer(layers.addObject(), layer));
        ArrayNode worst = json.putArray("worst_heads");
        for (AnalysisResult.Head head : result.worstHeads()) {
            ObjectNode node = worst.addObject();
            node.put("layer", head.layer()).put("head", head.head());
            put(node, "relative_mse", head.relativeMse());
        }
        result.retrieval()
                .ifPresentOrElse(
                        retrieval -> putRetrieval(json.putObject("retrieval"), retrieval),
                        () -> json.putNull("retrieval"));
        putAblations(json.putObject("ablations"), result);
        return json;
    }

    private static void putSettings(ObjectNode json, AnalysisResult.Read read) {
        json.put("context", read.context());
        json.put("sequences", read.sequences());
        json.put("tokens", (long) read.context() * read.sequences());
        ArrayNode texts = json.putArray("texts");
        read.texts().forEach(texts::add);
        json.put("needles", read.settings().needles());
        json.put("needle_characters", read.settings().characters());
        json.put("seed", read.settings().seed());
        json.put("bos", read.hasBos());
    }

    private static void putWindow(ObjectNode json, WindowSpec window) {
        json.put("size", window.size());
        json.put("shape", window.shape().name().toLowerCase(Locale.ROOT));
        json.put("keep_first", window.keepFirst());
    }

    private static void putBins(ArrayNode json, List<AnalysisResult.Bin> bins) {
        for (AnalysisResult.Bin bin : bins) {
            ObjectNode node = json.addObject().put("from", bin.from()).put("to", bin.to());
            putComparison(node, bin.comparison());
        }
    }

    private static void putComparison(ObjectNode json, AnalysisResult.Comparison comparison) {
        json.put("count", comparison.count());
        put(json, "teacher_nll", comparison.teacherNll());
        put(json, "student_nll", comparison.studentNll());
        put(json, "kl", comparison.kl());
        put(json, "top1_agreement", comparison.top1Agreement());
    }

    private static void putLayer(ObjectNode json, AnalysisResult.Layer layer) {
        json.put("layer", layer.layer());
        json.put("attention", layer.isLinear() ? "linear" : "softmax");
        put(json, "relative_mse", layer.relativeMse());
        put(json, "cosine", layer.cosine());
        put(json, "update_relative_mse", layer.updateRelativeMse());
        ArrayNode heads = json.putArray("heads");
        for (AnalysisResult.Head head : layer.heads()) {
            ObjectNode node = heads.addObject().put("head", head.head());
            put(node, "relative_mse", head.relativeMse());
            put(node, "cosine", head.cosine());
            put(node, "teacher_entropy", head.entropy());
            put(node, "teacher_weight_beyond_window", head.weightBeyondWindow());
        }
    }

    private static void putRetrieval(ObjectNode json, AnalysisResult.Retrieval retrieval) {
        json.put("documents", retrieval.documents());
        json.put("used", retrieval.used());
        json.put("threshold", AnalysisResult.Retrieval.THRESHOLD);
        json.put("teacher_heads", retrieval.teacherHeads().size());
        json.put("kept_heads", retrieval.keptHeads().size());
        ArrayNode heads = json.putArray("heads");
        for (AnalysisResult.RetrievalHead head : retrieval.heads()) {
            ObjectNode node = heads.addObject();
            node.put("layer", head.layer()).put("head", head.head());
            put(node, "teacher_score", head.teacherScore());
            put(node, "student_score", head.studentScore());
            put(node, "teacher_needle_weight", head.teacherWeight());
            put(node, "student_needle_weight", head.studentWeight());
        }
    }

    private static void putAblations(ObjectNode json, AnalysisResult result) {
        ArrayNode whole = json.putArray("whole");
        for (AnalysisResult.Variant variant : result.whole()) {
            ObjectNode node = whole.addObject().put("variant", variant.name());
            put(node, "nll", variant.nll());
            put(node, "perplexity", Math.exp(variant.nll()));
            put(node, "needle_accuracy", variant.needleAccuracy());
        }
        ArrayNode layers = json.putArray("by_layer");
        for (AnalysisResult.LayerVariants layer : result.byLayer()) {
            ObjectNode node = layers.addObject().put("layer", layer.layer());
            put(node, "window_only", layer.windowOnly());
            put(node, "linear_only", layer.linearOnly());
            put(node, "none", layer.none());
            put(node, "teacher_layer", layer.teacherLayer());
        }
    }

    private static void put(ObjectNode json, String key, OptionalDouble value) {
        put(json, key, value.orElse(Double.NaN));
    }

    /** JSON has neither infinity nor what is no number. */
    private static void put(ObjectNode json, String key, double value) {
        if (Double.isFinite(value)) {
            json.put(key, value);
        } else {
            json.putNull(key);
        }
    }
}
