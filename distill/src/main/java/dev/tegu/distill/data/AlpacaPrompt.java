package dev.tegu.distill.data;

/**
 * The wording around an instruction: one line of our own, then the section headers that
 * Alpaca-style data and the models trained on it have in common.
 *
 * <pre>
 * Read the instruction and write a response that carries it out.
 *
 * ### Instruction:
 * INSTRUCTION
 *
 * ### Input:
 * INPUT
 *
 * ### Response:
 * </pre>
 *
 * <p>The input section is left out when the input is blank. The output follows on the line after
 * the last header.
 */
public final class AlpacaPrompt {
    private static final String PREAMBLE =
            "Read the instruction and write a response that carries it out.\n\n";

    private AlpacaPrompt() {}

    /**
     * @param instruction what to do
     * @param input what to do it with; blank for none
     * @return the text that the output is appended to, ending with a line feed
     */
    public static String of(String instruction, String input) {
        StringBuilder prompt = new StringBuilder(PREAMBLE);
        prompt.append("### Instruction:\n").append(instruction).append("\n\n");
        if (!input.isBlank()) {
            prompt.append("### Input:\n").append(input).append("\n\n");
        }
        return prompt.append("### Response:\n").toString();
    }
}
