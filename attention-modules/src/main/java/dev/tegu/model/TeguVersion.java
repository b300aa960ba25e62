package dev.tegu.model;

/** The program's version, as it stands in manifests. */
public final class TeguVersion {
    /** The version in the root POM, without {@code -SNAPSHOT}. */
    public static final String NUMBER = "0.1.0";

    private TeguVersion() {}
}
