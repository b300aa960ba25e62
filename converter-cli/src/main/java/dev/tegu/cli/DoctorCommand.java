package dev.tegu.cli;

import dev.tegu.cli.doctor.Diagnosis;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** Says what this machine offers. */
@Command(
        name = "doctor",
        header = "Show engine, devices and versions, and try each device.",
        description =
                "%nMultiplies matrices in every type on every device, and checks the fused attention"
                        + " kernel where there is one. Ends with 0 if all that is there works; that"
                        + " there is no GPU is no fault, but told with its reason.",
        footer = {"  scripts/tegu doctor", "  scripts/tegu doctor --json"})
final class DoctorCommand extends TeguCommand {
    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 1)
    private JsonOption output = new JsonOption();

    @Override
    public void run() {
        Diagnosis diagnosis = Diagnosis.make();
        if (output.json) {
            out().println(diagnosis.json());
        } else {
            diagnosis.lines().forEach(out()::println);
        }
        if (!diagnosis.isUsable()) {
            throw new IllegalStateException("doctor: something here does not work, see above");
        }
    }
}
