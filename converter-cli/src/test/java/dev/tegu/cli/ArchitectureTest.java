package dev.tegu.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** The arrows between the modules, and who may print and exit. */
@AnalyzeClasses(
        packages = "dev.tegu",
        importOptions = {DoNotIncludeTests.class, ArchitectureTest.NoTestJars.class})
final class ArchitectureTest {
    /** What other modules lend to tests is not part of the product either. */
    static final class NoTestJars implements ImportOption {
        @Override
        public boolean includes(Location location) {
            return !location.contains("-tests.jar");
        }
    }

    private static final String CLI = "cli";
    private static final String EVAL = "eval";
    private static final String DISTILL = "distill";
    private static final String LORA = "lora";
    private static final String BASE = "attention-modules";

    @ArchTest
    static void arrowsPointDownwards(JavaClasses classes) {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer(CLI)
                .definedBy("dev.tegu.cli..")
                .layer(EVAL)
                .definedBy("dev.tegu.eval..")
                .layer(DISTILL)
                .definedBy("dev.tegu.distill..")
                .optionalLayer(LORA)
                .definedBy("dev.tegu.lora..")
                .layer(BASE)
                .definedBy(
                        "dev.tegu.attention..",
                        "dev.tegu.checkpoint..",
                        "dev.tegu.config..",
                        "dev.tegu.engine..",
                        "dev.tegu.model..",
                        "dev.tegu.records..",
                        "dev.tegu.tokenizer..")
                .whereLayer(CLI)
                .mayNotBeAccessedByAnyLayer()
                .whereLayer(EVAL)
                .mayOnlyBeAccessedByLayers(CLI)
                .whereLayer(DISTILL)
                .mayOnlyBeAccessedByLayers(CLI)
                .whereLayer(LORA)
                .mayOnlyBeAccessedByLayers(CLI, DISTILL)
                .whereLayer(BASE)
                .mayOnlyBeAccessedByLayers(CLI, EVAL, DISTILL, LORA)
                .ensureAllClassesAreContainedInArchitecture()
                .check(classes);
    }

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_PRINTS =
            noClasses()
                    .that()
                    .resideOutsideOfPackage("dev.tegu.cli..")
                    .should()
                    .accessField(System.class, "out")
                    .orShould()
                    .accessField(System.class, "err");

    @ArchTest
    static final ArchRule ONLY_MAIN_EXITS =
            noClasses()
                    .that()
                    .doNotHaveFullyQualifiedName(Tegu.class.getName())
                    .should()
                    .callMethod(System.class, "exit", int.class);
}
