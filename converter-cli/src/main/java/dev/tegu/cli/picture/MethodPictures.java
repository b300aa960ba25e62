package dev.tegu.cli.picture;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.GateSpec;
import dev.tegu.attention.TokenView;
import dev.tegu.attention.WindowSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.util.ArrayList;
import java.util.List;

/** The preset methods as pictures of what each token sees. */
public final class MethodPictures {
    /** Tokens of the pictured text: several small windows, and cells large enough to see. */
    private static final int TOKENS = 20;

    /** Windows of 64 and more tokens would fill the picture. */
    private static final int SMALL_WINDOW = 4;

    private static final int SMALL_KEEP_FIRST = 2;

    private MethodPictures() {}

    /**
     * @param name one of {@link AttentionPresets#NAMES}
     * @return an SVG document, the same bytes every time
     */
    public static String svg(String name) {
        AttentionSpec preset = AttentionPresets.spec(name);
        AttentionSpec small = scaledDown(name, preset.window());
        List<String> caption = new ArrayList<>();
        caption.add(windowCaption(preset.window()));
        if (preset.window().keepFirst() > 0) {
            caption.add(
                    ("First " + SMALL_KEEP_FIRST + " tokens kept here, ")
                            + (preset.window().keepFirst() + " in the preset."));
        }
        if (preset.isGated()) {
            caption.add(gateCaption(preset.gate()));
        }
        return new TokenGrid(TokenView.of(small, TOKENS), TOKENS)
                .svg(name + ": what each token sees", caption);
    }

    private static AttentionSpec scaledDown(String name, WindowSpec window) {
        ConfigNode node = AttentionPresets.node(name);
        if (window.size() > 0) {
            node = node.with("window.size", String.valueOf(SMALL_WINDOW), "picture");
        }
        if (window.keepFirst() > 0) {
            node = node.with("window.keep_first", String.valueOf(SMALL_KEEP_FIRST), "picture");
        }
        return ConfigBinder.bind(node, AttentionSpec.class);
    }

    private static String windowCaption(WindowSpec window) {
        if (window.size() == 0) {
            return "No window.";
        }
        String shape = window.shape() == WindowSpec.Shape.TERRACE ? "Blocks" : "Window";
        return (shape + " of " + SMALL_WINDOW + " tokens here, of ")
                + (window.size() + " in the preset.");
    }

    private static String gateCaption(GateSpec gate) {
        return gate.kind() == GateSpec.Kind.CONSTANT
                ? "A constant decay: the older a token, the less it counts in the linear branch."
                : "Gated: what the linear branch knows of older tokens fades.";
    }
}
