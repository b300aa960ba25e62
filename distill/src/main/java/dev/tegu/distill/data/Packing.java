package dev.tegu.distill.data;

/** How documents become sequences of one length. */
public enum Packing {
    /**
     * One stream, cut; running text has the model's BOS in front of each sequence. A prompt and its
     * completion are encoded as one text.
     */
    JOINED,
    /**
     * As the LoLCATs code does: documents are joined in the order of the data, a sequence is cut
     * off while what is left is longer than one, and the rest is discarded, even one of exactly a
     * sequence. No BOS is put in. A prompt and its completion are encoded apart. Sequences of
     * prompts alone are dropped there too; ours drops as well one whose first token alone is a
     * completion's, since the mean loss of it would be 0 / 0.
     *
     * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs</a>, whose code packs in {@code
     *     dataloaders/utils/packing.py}
     */
    REFERENCE
}
