package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.cli.console.Sizes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;

/**
 * The tensors of a model as a tree of the parts of their names, in which numbered siblings that are
 * alike in type and shape are one: {@code layers.0-15}.
 */
final class TensorTree {
    private final Map<String, Group> groups = new LinkedHashMap<>();

    /** Tensors whose names differ in numbers alone. */
    private static final class Group {
        private final TensorInfo first;
        private final List<NavigableSet<Integer>> numbers = new ArrayList<>();
        private long count;
        private long bytes;

        Group(TensorInfo first) {
            this.first = first;
        }

        void add(TensorInfo info) {
            count++;
            bytes += info.byteLength();
            int place = 0;
            for (String part : info.name().split("\\.")) {
                if (isNumber(part)) {
                    if (place == numbers.size()) {
                        numbers.add(new TreeSet<>());
                    }
                    numbers.get(place++).add(Integer.valueOf(part));
                }
            }
        }

        /** Parts of the name, with {@code 0-15} for a number. */
        List<String> parts() {
            Iterator<NavigableSet<Integer>> next = numbers.iterator();
            return Arrays.stream(first.name().split("\\."))
                    .map(part -> isNumber(part) ? ranges(next.next()) : part)
                    .toList();
        }
    }

    private static boolean isNumber(String part) {
        return part.matches("[0-9]{1,9}");
    }

    /** {@code 0-3,5}. */
    private static String ranges(NavigableSet<Integer> numbers) {
        List<String> ranges = new ArrayList<>();
        int start = numbers.first();
        for (int n : numbers) {
            if (!numbers.contains(n + 1)) {
                ranges.add(start == n ? String.valueOf(n) : start + "-" + n);
                Integer after = numbers.higher(n);
                start = after == null ? n : after;
            }
        }
        return String.join(",", ranges);
    }

    /** Adds a tensor; those of one group in the order of their names. */
    void add(TensorInfo info) {
        String alike =
                Arrays.stream(info.name().split("\\."))
                                .map(part -> isNumber(part) ? "#" : part)
                                .toList()
                        + " "
                        + info.dtype()
                        + info.shape();
        groups.computeIfAbsent(alike, name -> new Group(info)).add(info);
    }

    /**
     * One object a group of tensors that are alike: {@code name}, {@code dtype}, {@code shape},
     * {@code tensors} and their {@code bytes} in all.
     */
    ArrayNode json() {
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (Group group : groups.values()) {
            ObjectNode node = all.addObject();
            node.put("name", String.join(".", group.parts()));
            node.put("dtype", group.first.dtype().name());
            group.first.shape().forEach(node.putArray("shape")::add);
            node.put("tensors", group.count);
            node.put("bytes", group.bytes);
        }
        return all;
    }

    /** A part of names with what begins so. */
    private static final class Node {
        private final Map<String, Node> children = new LinkedHashMap<>();
        private Group group;
        private long bytes;
    }

    /** Lines for people: name, type, shape, how many, bytes. */
    List<String> lines() {
        Node root = new Node();
        for (Group group : groups.values()) {
            Node node = root;
            for (String part : group.parts()) {
                node = node.children.computeIfAbsent(part, name -> new Node());
                node.bytes += group.bytes;
            }
            node.group = group;
        }
        List<String> lines = new ArrayList<>();
        append(root, "", "", lines);
        return lines;
    }

    /** A part that only one other follows stands on its line. */
    private static void append(Node node, String indent, String prefix, List<String> lines) {
        for (Map.Entry<String, Node> child : node.children.entrySet()) {
            Node below = child.getValue();
            String name = prefix + child.getKey();
            if (below.group == null && below.children.size() == 1) {
                append(below, indent, name + ".", lines);
            } else {
                lines.add(line(indent + name, below));
                append(below, indent + "  ", "", lines);
            }
        }
    }

    private static String line(String name, Node node) {
        String what = "";
        if (node.group != null) {
            String shape = node.group.first.shape().toString().replace(" ", "");
            what = node.group.first.dtype() + " " + shape;
            what += node.group.count > 1 ? " x " + node.group.count : "";
        }
        return String.format(Locale.ROOT, "%-44s %-28s %s", name, what, Sizes.written(node.bytes));
    }
}
