package dev.tegu.lora;

import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Nearest;
import dev.tegu.model.Architecture;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The names by which a linear map of a layer is asked for an adapter: its role, which is the same
 * in every family ({@code q_proj}), or the family's own name for what it stores ({@code c_attn},
 * {@code attn.c_proj}), as PEFT has it. A name of the family's means all the roles that are stored
 * under it. Routers and experts have no adapters.
 */
final class TargetModules {
    private static final List<String> ROLES =
            List.of(
                    "q_proj",
                    "k_proj",
                    "v_proj",
                    "o_proj",
                    "gate_proj",
                    "up_proj",
                    "down_proj",
                    "fc1",
                    "fc2");

    private TargetModules() {}

    /**
     * Refuses a name that no family knows.
     *
     * @throws InvalidValueException at {@code target_modules}
     */
    static void check(String name) {
        if (!Known.NAMES.contains(name)) {
            throw unknown(name, "no linear map of a layer", ROLES, Known.NAMES);
        }
    }

    /** Every name of every family. */
    private static final class Known {
        static final Set<String> NAMES = new TreeSet<>(ROLES);

        static {
            for (String type : Architecture.NAMES) {
                Architecture family = Architecture.find(type).orElseThrow();
                roles(family).forEach(role -> NAMES.addAll(names(family, role)));
            }
        }
    }

    /**
     * @param names roles, or names of the family's
     * @return the roles that they mean, in the order of the names, none twice
     * @throws InvalidValueException at {@code target_modules} if the family has no such map
     */
    static List<String> roles(Architecture family, List<String> names) {
        Set<String> chosen = new LinkedHashSet<>();
        for (String name : names) {
            List<String> meant =
                    roles(family).stream()
                            .filter(r -> r.equals(name) || names(family, r).contains(name))
                            .toList();
            if (meant.isEmpty()) {
                Set<String> known = new LinkedHashSet<>(roles(family));
                roles(family).forEach(role -> known.addAll(names(family, role)));
                throw unknown(
                        name,
                        "no linear map of a layer of " + family.modelType() + " that has adapters",
                        known,
                        known);
            }
            chosen.addAll(meant);
        }
        return List.copyOf(chosen);
    }

    /** The shortest name by which PEFT finds the stored map of a role, and no other. */
    static String peftName(Architecture family, String role) {
        String path = family.linears().get(role).name();
        String last = path.substring(path.lastIndexOf('.') + 1);
        boolean isShared =
                family.linears().values().stream()
                        .map(Architecture.Linear::name)
                        .anyMatch(other -> !other.equals(path) && other.endsWith("." + last));
        return isShared ? path : last;
    }

    /** The roles of a family that can have adapters. */
    private static List<String> roles(Architecture family) {
        return family.linears().keySet().stream().filter(ROLES::contains).toList();
    }

    private static List<String> names(Architecture family, String role) {
        String path = family.linears().get(role).name();
        return List.of(path, path.substring(path.lastIndexOf('.') + 1));
    }

    private static InvalidValueException unknown(
            String name, String what, Collection<String> shown, Set<String> known) {
        return new InvalidValueException(
                "target_modules",
                "`"
                        + name
                        + "` is "
                        + what
                        + Nearest.hint(name, known)
                        + "; known: "
                        + String.join(", ", shown));
    }
}
