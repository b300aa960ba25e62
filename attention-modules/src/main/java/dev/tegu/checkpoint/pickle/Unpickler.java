package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Interprets a pickle of a state dict, protocols 2 to 5, without running anything.
 *
 * <p>Values: {@link Map}, {@link List}, {@link Tuple}, {@link Long}, {@link BigInteger}, {@link
 * Double}, {@link Boolean}, {@link String}, null for None, {@link Global}, and what the {@link
 * Tensors} make. Keys are text or plain numbers, so that no value is ever walked through and a
 * value that holds itself does no harm.
 *
 * <p>Time and memory are linear in the pickle's bytes, and bounded by {@link #MAX_OPERATIONS}.
 *
 * @see <a href="https://github.com/python/cpython/blob/main/Lib/pickletools.py">the opcodes</a>
 */
final class Unpickler {
    /** A tensor takes some 45 operations: enough for 22,000 tensors in one file. */
    static final int MAX_OPERATIONS = 1_000_000;

    private static final Object MARK = new Object();

    private final PickleReader in;
    private final Tensors tensors;
    private final List<Object> stack = new ArrayList<>();
    private final Map<Integer, Object> memo = new HashMap<>();

    private Unpickler(PickleReader in, Tensors tensors) {
        this.in = in;
        this.tensors = tensors;
    }

    /** A Python tuple. */
    record Tuple(List<Object> items) {}

    /** Makes storages and tensors of a pickle's descriptions. */
    interface Tensors {
        /**
         * @param id what the pickle says of a storage that lies beside it
         * @throws CheckpointException if there is no such storage
         */
        Object storage(Tuple id);

        /**
         * @param arguments of {@code torch._utils._rebuild_tensor_v2}
         * @throws CheckpointException if they describe no tensor within its storage
         */
        Object tensor(Tuple arguments);

        /** Whether this is a tensor made here. */
        boolean isTensor(Object value);
    }

    /**
     * @param where name of the file, for messages
     * @return the one value that the pickle describes
     * @throws CheckpointException if the pickle is damaged or would run code
     */
    static Object read(ByteBuffer pickle, String where, Tensors tensors) {
        PickleReader in = new PickleReader(pickle, where);
        return new Unpickler(in, tensors).run();
    }

    private Object run() {
        for (int operations = 0; operations < MAX_OPERATIONS; operations++) {
            int opcode = in.unsignedByte();
            if (opcode == '.') {
                Object result = pop();
                if (!stack.isEmpty() || in.hasRemaining()) {
                    throw in.broken("something is left over");
                }
                return result;
            }
            if (!isValue(opcode) && !isStructure(opcode)) {
                throw in.broken(
                        "opcode "
                                + (opcode > ' ' && opcode < 0x7f
                                        ? "`" + (char) opcode + "`"
                                        : String.format("0x%02x", opcode))
                                + " is not one that a state dict needs");
            }
        }
        throw in.broken("more than " + MAX_OPERATIONS + " operations");
    }

    /** Opcodes that push something new. */
    private boolean isValue(int opcode) {
        switch (opcode) {
            case 'N' -> stack.add(null);
            case 0x88 -> stack.add(true);
            case 0x89 -> stack.add(false);
            case 'K' -> stack.add((long) in.unsignedByte());
            case 'M' -> stack.add((long) in.unsignedShort());
            case 'J' -> stack.add((long) in.int32());
            case 0x8a -> stack.add(in.integer(in.unsignedByte()));
            case 0x8b -> stack.add(in.integer(in.count()));
            case 'G' -> stack.add(in.float64());
            case 'X' -> stack.add(in.text(in.count()));
            case 0x8c -> stack.add(in.text(in.unsignedByte()));
            case '(' -> stack.add(MARK);
            case '}' -> stack.add(new LinkedHashMap<>());
            case ']' -> stack.add(new ArrayList<>());
            case ')' -> stack.add(new Tuple(List.of()));
            case 'c' -> global(in.line(), in.line());
            case 'i' -> throw in.refused(in.line(), in.line());
            case 'h' -> get(in.unsignedByte());
            case 'j' -> get(in.count());
            default -> {
                return false;
            }
        }
        return true;
    }

    /** Opcodes that work on what is there. */
    private boolean isStructure(int opcode) {
        switch (opcode) {
            case 0x80 -> protocol(in.unsignedByte());
            case 0x95 -> in.frame();
            case 0x93 -> globalOnStack();
            case 'q' -> memo.put(in.unsignedByte(), top());
            case 'r' -> memo.put(in.count(), top());
            case 0x94 -> memo.put(memo.size(), top());
            case '0' -> pop();
            case '1' -> popToMark();
            case 't' -> stack.add(new Tuple(popToMark()));
            case 0x85 -> stack.add(new Tuple(pop(1)));
            case 0x86 -> stack.add(new Tuple(pop(2)));
            case 0x87 -> stack.add(new Tuple(pop(3)));
            case 'a' -> append(pop(1));
            case 'e' -> append(popToMark());
            case 's' -> setItems(pop(2));
            case 'u' -> setItems(popToMark());
            case 'Q' -> stack.add(tensors.storage(tuple(pop())));
            case 'R' -> reduce();
            case 'b' -> build();
            default -> {
                return false;
            }
        }
        return true;
    }

    private void protocol(int version) {
        if (version > 5) {
            throw in.broken("protocol " + version + ", 5 is the newest known,");
        }
    }

    private void get(int index) {
        if (!memo.containsKey(index)) {
            throw in.broken("memo " + index + " is asked for and was never set");
        }
        stack.add(memo.get(index));
    }

    private Object top() {
        if (stack.isEmpty() || stack.get(stack.size() - 1) == MARK) {
            throw in.broken("a value is missing");
        }
        return stack.get(stack.size() - 1);
    }

    private Object pop() {
        Object value = top();
        stack.remove(stack.size() - 1);
        return value;
    }

    private List<Object> pop(int count) {
        Object[] values = new Object[count];
        for (int i = count - 1; i >= 0; i--) {
            values[i] = pop();
        }
        return Collections.unmodifiableList(Arrays.asList(values));
    }

    private List<Object> popToMark() {
        int mark = stack.size() - 1;
        while (mark >= 0 && stack.get(mark) != MARK) {
            mark--;
        }
        if (mark < 0) {
            throw in.broken("a mark is missing");
        }
        List<Object> above = stack.subList(mark + 1, stack.size());
        List<Object> values = Collections.unmodifiableList(new ArrayList<>(above));
        stack.subList(mark, stack.size()).clear();
        return values;
    }

    private void append(List<Object> values) {
        if (!(top() instanceof ArrayList<?>)) {
            throw in.broken("something is appended to what is no list");
        }
        @SuppressWarnings("unchecked")
        List<Object> list = (List<Object>) top();
        list.addAll(values);
    }

    private void setItems(List<Object> pairs) {
        if (!(top() instanceof LinkedHashMap<?, ?>)) {
            throw in.broken("an item is set in what is no dict");
        }
        if (pairs.size() % 2 != 0) {
            throw in.broken("a key without a value");
        }
        @SuppressWarnings("unchecked")
        Map<Object, Object> dict = (Map<Object, Object>) top();
        for (int i = 0; i < pairs.size(); i += 2) {
            put(dict, pairs.get(i), pairs.get(i + 1));
        }
    }

    private void put(Map<Object, Object> dict, Object key, Object value) {
        boolean isPlain = key instanceof String || key instanceof Number || key instanceof Boolean;
        if (!isPlain) {
            throw in.broken("a key is neither text nor a number");
        }
        if (dict.containsKey(key)) {
            throw in.broken("key `" + PickleReader.shown("" + key) + "` stands twice in one dict");
        }
        dict.put(key, value);
    }

    private Tuple tuple(Object value) {
        if (value instanceof Tuple tuple) {
            return tuple;
        }
        throw in.broken("a tuple is missing");
    }

    private void globalOnStack() {
        Object name = pop();
        Object module = pop();
        if (name instanceof String shortName && module instanceof String moduleName) {
            global(moduleName, shortName);
        } else {
            throw in.broken("a name is no text");
        }
    }

    private void global(String module, String name) {
        stack.add(Global.find(module, name).orElseThrow(() -> in.refused(module, name)));
    }

    private void reduce() {
        Tuple arguments = tuple(pop());
        Object called = pop();
        if (called == Global.ORDERED_DICT) {
            stack.add(orderedDict(arguments.items()));
        } else if (called == Global.REBUILD_TENSOR) {
            stack.add(tensors.tensor(arguments));
        } else if (called == Global.REBUILD_PARAMETER
                && !arguments.items().isEmpty()
                && tensors.isTensor(arguments.items().get(0))) {
            stack.add(arguments.items().get(0));
        } else if (called == Global.RESTORE_TYPE_TAG && arguments.items().size() == 2) {
            stack.add(arguments.items().get(0));
        } else {
            throw in.broken("a call of what is no function of a state dict");
        }
    }

    /** Python 2 passes the pairs, as one list of lists. */
    private Map<Object, Object> orderedDict(List<Object> arguments) {
        Map<Object, Object> dict = new LinkedHashMap<>();
        if (arguments.isEmpty()) {
            return dict;
        }
        if (arguments.size() > 1 || !(arguments.get(0) instanceof List<?> pairs)) {
            throw in.broken("an OrderedDict of something else than pairs");
        }
        for (Object pair : pairs) {
            List<?> both = pair instanceof Tuple tuple ? tuple.items() : List.of();
            if (pair instanceof List<?> list) {
                both = list;
            }
            if (both.size() != 2) {
                throw in.broken("an OrderedDict of something else than pairs");
            }
            put(dict, both.get(0), both.get(1));
        }
        return dict;
    }

    /** A dict's attributes, such as the versions that modules note, are no weights: let go. */
    private void build() {
        Object state = pop();
        if (!(top() instanceof LinkedHashMap<?, ?>) || !(state instanceof Map<?, ?>)) {
            throw in.broken("attributes are set on what is no dict");
        }
    }
}
