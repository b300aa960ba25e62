package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Parameters that form one problem: their gradient is clipped as one, and its norm is what is
 * looked at when a step fails. In attention transfer that is a layer.
 *
 * @param name what messages and reports call it, for example {@code layers.3}
 * @param parameters what is trained, by checkpoint name; at least one
 */
public record ParameterGroup(String name, Map<String, NDArray> parameters) {
    /** Keeps the order. */
    public ParameterGroup {
        parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    }
}
