package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.util.Pair;
import dev.tegu.model.DecoderLayer;
import java.util.Arrays;

/**
 * One head's weights and output at one position, of the teacher and of a LoLCATs student with a
 * sliding window, in doubles and loops.
 *
 * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, equation 7</a>
 */
final class HandAttention {
    private final int numKvHeads;
    private final int groups;
    private final int headDim;
    private final int tokens;
    private final int window;
    private final float[] q;
    private final float[] k;
    private final float[] v;
    private final float[] cos;
    private final float[] sin;
    private final float[] mapQ;
    private final float[] mapK;
    private final int projection;
    private final float[] windowFactor;

    HandAttention(
            DecoderLayer.Projected in, DecoderLayer.Rope rope, DecoderLayer layer, int window) {
        long[] shape = in.q().getShape().getShape();
        this.numKvHeads = (int) in.k().getShape().get(1);
        this.groups = (int) shape[1] / numKvHeads;
        this.tokens = (int) shape[2];
        this.headDim = (int) shape[3];
        this.window = window;
        this.q = in.q().toFloatArray();
        this.k = in.k().toFloatArray();
        this.v = in.v().toFloatArray();
        this.cos = rope.cos().toFloatArray();
        this.sin = rope.sin().toFloatArray();
        NDArray map = layer.parameters().get("feature_map_q.weight");
        this.projection = (int) map.getShape().get(2);
        this.mapQ = map.toFloatArray();
        this.mapK = layer.parameters().get("feature_map_k.weight").toFloatArray();
        this.windowFactor = layer.parameters().get("window_factor").toFloatArray();
    }

    /** The teacher's and the student's output, each headDim wide. */
    Pair<double[], double[]> outputs(int batch, int head, int t) {
        Pair<double[], double[]> weights = weights(batch, head, t);
        double[] teacher = new double[headDim];
        double[] student = new double[headDim];
        for (int j = 0; j <= t; j++) {
            for (int d = 0; d < headDim; d++) {
                int row = (batch * numKvHeads + head / groups) * tokens + j;
                float value = v[row * headDim + d];
                teacher[d] += weights.getKey()[j] * value;
                student[d] += weights.getValue()[j] * value;
            }
        }
        return new Pair<>(teacher, student);
    }

    /** The teacher's and the student's attention weights of tokens 0 to t. */
    Pair<double[], double[]> weights(int batch, int head, int t) {
        int kvHead = head / groups;
        double[] query = rotated(q, batch * numKvHeads * groups + head, t);
        double[] phiQuery = phi(query, mapQ, head);
        double[] scores = new double[t + 1];
        double most = Double.NEGATIVE_INFINITY;
        double mostInWindow = Double.NEGATIVE_INFINITY;
        for (int j = 0; j <= t; j++) {
            double[] key = rotated(k, batch * numKvHeads + kvHead, j);
            scores[j] = dot(query, key) / Math.sqrt(headDim);
            most = Math.max(most, scores[j]);
            if (j > t - window) {
                mostInWindow = Math.max(mostInWindow, scores[j]);
            }
        }
        double gamma = 1 / (1 + Math.exp(-windowFactor[head]));
        double[] teacher = new double[t + 1];
        double[] student = new double[t + 1];
        for (int j = 0; j <= t; j++) {
            teacher[j] = Math.exp(scores[j] - most);
            double[] key = rotated(k, batch * numKvHeads + kvHead, j);
            student[j] =
                    j > t - window
                            ? gamma * Math.exp(scores[j] - mostInWindow)
                            : dot(phiQuery, phi(key, mapK, head));
        }
        normalize(teacher);
        normalize(student);
        return new Pair<>(teacher, student);
    }

    private static void normalize(double[] weights) {
        double sum = Arrays.stream(weights).sum();
        Arrays.setAll(weights, j -> weights[j] / sum);
    }

    private double[] rotated(float[] x, int head, int t) {
        int at = (head * tokens + t) * headDim;
        int half = headDim / 2;
        double[] turned = new double[headDim];
        for (int d = 0; d < headDim; d++) {
            double other = d < half ? -x[at + d + half] : x[at + d - half];
            turned[d] = x[at + d] * cos[t * headDim + d] + other * sin[t * headDim + d];
        }
        return turned;
    }

    /** The softmax of xW and of -xW, side by side. */
    private double[] phi(double[] x, float[] map, int head) {
        double[] features = new double[2 * projection];
        double up = 0;
        double down = 0;
        for (int f = 0; f < projection; f++) {
            double z = 0;
            for (int d = 0; d < headDim; d++) {
                z += x[d] * map[(head * headDim + d) * projection + f];
            }
            features[f] = Math.exp(z);
            features[projection + f] = Math.exp(-z);
            up += Math.exp(z);
            down += Math.exp(-z);
        }
        for (int f = 0; f < projection; f++) {
            features[f] = Math.max(1e-12, features[f] / up);
            features[projection + f] = Math.max(1e-12, features[projection + f] / down);
        }
        return features;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
