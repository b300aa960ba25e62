package dev.tegu.tokenizer;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import com.hubspot.jinjava.util.ForLoop;
import com.hubspot.jinjava.util.ObjectIterator;
import com.hubspot.jinjava.util.ObjectTruthValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The block {@code for} as Python's Jinja has it: {@code for NAMES in ITEMS if CONDITION}, {@code
 * else} for no items, and what is set in one turn is gone in the next. The library's own passes
 * over the last three without a word.
 */
final class JinjaLoop implements Tag {
    private static final long serialVersionUID = 1L;
    private static final String LOOP = "loop";

    @Override
    public String getName() {
        return "for";
    }

    @Override
    public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
        String head = tag.getHelpers().strip();
        int in = outside(head, " in ", 0);
        if (in < 0) {
            throw new InterpretException("`for " + head + "`: expected `in`", tag.getLineNumber());
        }
        List<String> names = List.of(head.substring(0, in).strip().split("\\s*,\\s*"));
        int items = in + " in ".length();
        int when = outside(head, " if ", items);
        boolean filters = when >= 0 && outside(head, " else ", when) < 0;
        String expression = filters ? head.substring(items, when) : head.substring(items);
        Object found = interpreter.resolveELExpression(expression, tag.getLineNumber());
        if (found instanceof String text) {
            found = text.codePoints().mapToObj(Character::toString).toList();
        }
        List<Object> kept = new ArrayList<>();
        for (ForLoop all = ObjectIterator.getLoop(found); all.hasNext(); ) {
            Object item = interpreter.wrap(all.next());
            if (!filters || holds(head.substring(when + 4), names, item, tag, interpreter)) {
                kept.add(item);
            }
        }
        return kept.isEmpty()
                ? rendered(branch(tag, true), interpreter)
                : turns(branch(tag, false), names, kept, interpreter);
    }

    private static boolean holds(
            String condition,
            List<String> names,
            Object item,
            TagNode tag,
            JinjavaInterpreter interpreter) {
        interpreter.enterScope();
        try {
            bind(interpreter.getContext(), names, item);
            return ObjectTruthValue.evaluate(
                    interpreter.resolveELExpression(condition, tag.getLineNumber()));
        } finally {
            interpreter.leaveScope();
        }
    }

    private static String turns(
            List<Node> body,
            List<String> names,
            List<Object> items,
            JinjavaInterpreter interpreter) {
        StringBuilder text = new StringBuilder();
        ForLoop loop = new ForLoop(items.iterator(), items.size());
        while (loop.hasNext()) {
            Object item = loop.next();
            interpreter.enterScope();
            try {
                interpreter.getContext().put(LOOP, loop);
                bind(interpreter.getContext(), names, item);
                for (Node node : body) {
                    text.append(node.render(interpreter));
                    if (loop.isContinued()) {
                        break;
                    }
                }
            } finally {
                interpreter.leaveScope();
            }
        }
        return text.toString();
    }

    private static String rendered(List<Node> nodes, JinjavaInterpreter interpreter) {
        StringBuilder text = new StringBuilder();
        nodes.forEach(node -> text.append(node.render(interpreter)));
        return text.toString();
    }

    /** What stands before, or behind, the {@code else} of a block. */
    private static List<Node> branch(TagNode tag, boolean behindElse) {
        List<Node> nodes = new ArrayList<>();
        boolean behind = false;
        for (Node node : tag.getChildren()) {
            if (node instanceof TagNode inner && inner.getName().equals("else")) {
                behind = true;
            } else if (behind == behindElse) {
                nodes.add(node);
            }
        }
        return nodes;
    }

    private static void bind(Context context, List<String> names, Object item) {
        for (int i = 0; i < names.size(); i++) {
            context.put(names.get(i), names.size() == 1 ? item : part(item, i));
        }
    }

    private static Object part(Object item, int index) {
        if (item instanceof Map.Entry<?, ?> entry) {
            return index == 0 ? entry.getKey() : entry.getValue();
        }
        if (item instanceof List<?> list && index < list.size()) {
            return list.get(index);
        }
        throw new InterpretException("a loop with several names needs pairs");
    }

    /** Where a word stands outside of quotes and brackets, at or after a place; -1 if nowhere. */
    private static int outside(String text, String word, int from) {
        int depth = 0;
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote != 0) {
                i += c == '\\' ? 1 : 0;
                quote = c == quote ? 0 : quote;
            } else if (c == '\'' || c == '"') {
                quote = c;
            } else if ("([{".indexOf(c) >= 0) {
                depth++;
            } else if (")]}".indexOf(c) >= 0) {
                depth--;
            } else if (depth == 0 && i >= from && text.startsWith(word, i)) {
                return i;
            }
        }
        return -1;
    }
}
