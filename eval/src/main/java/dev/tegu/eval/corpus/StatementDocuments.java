package dev.tegu.eval.corpus;

import dev.tegu.eval.corpus.World.Person;
import dev.tegu.eval.corpus.World.Town;
import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.List;

/**
 * Short, simple sentences about a {@link World}: true facts in changing words and order, and small
 * events that nobody can foretell. A document is one to three paragraphs, each a line, each about
 * one person or one town.
 */
final class StatementDocuments {
    private static final List<String> TIMES =
            List.of(
                    "In the morning",
                    "In the evening",
                    "On market day",
                    "In spring",
                    "In autumn",
                    "After the rain",
                    "Before noon",
                    "At night");
    private static final List<String> NUMBERS =
            List.of("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten");
    private static final List<String> WEATHER =
            List.of("warm", "cold", "wet", "windy", "bright", "foggy");

    private final World world;

    StatementDocuments(World world) {
        this.world = world;
    }

    /** One document, without a newline at its end. */
    String generate(StableRandom random) {
        List<String> paragraphs = new ArrayList<>();
        int count = random.between(1, 3);
        for (int i = 0; i < count; i++) {
            paragraphs.add(
                    random.nextInt(4) == 0
                            ? aboutTown(random, random.pick(world.towns()))
                            : aboutPerson(random, random.pick(world.people())));
        }
        return String.join("\n", paragraphs);
    }

    private String aboutPerson(StableRandom random, Person person) {
        String name = person.name();
        String he = person.woman() ? "she" : "he";
        String his = person.woman() ? "her" : "his";
        String craft = person.craft().name();
        String animal = person.animal().name();
        List<String> rest = new ArrayList<>();
        rest.add(
                random.pick(
                        List.of(
                                "%s is a %s".formatted(name, craft),
                                "%s works as a %s".formatted(name, craft))));
        rest.add(
                random.pick(
                        List.of(
                                "A %s makes %s from %s"
                                        .formatted(
                                                craft,
                                                person.craft().product(),
                                                person.craft().material()),
                                "Every %s needs %s".formatted(craft, person.craft().tool()))));
        rest.add("%s keeps a %s %s".formatted(name, person.colour(), animal));
        rest.add(
                random.pick(
                        List.of(
                                "The %s of %s sleeps %s"
                                        .formatted(animal, name, person.animal().place()),
                                "The %s %s likes to eat %s"
                                        .formatted(
                                                person.colour(), animal, person.animal().food()))));
        rest.add("The best friend of %s is %s".formatted(name, person.friend()));
        rest.add(
                "%s %s walks along the %s river"
                        .formatted(random.pick(TIMES), he, person.town().river()));
        rest.add(
                "%s %s sold %s %s %s"
                        .formatted(
                                random.pick(TIMES),
                                he,
                                random.pick(NUMBERS),
                                random.pick(List.of("pieces of", "loads of", "baskets of")),
                                random.pick(
                                        List.of(
                                                person.craft().product(),
                                                person.craft().material()))));
        rest.add(
                "Once %s lost %s %s"
                        .formatted(he, his, random.pick(List.of("hat", "key", "coat"))));
        String opening =
                random.pick(
                        List.of(
                                "%s lives in %s".formatted(name, person.town().name()),
                                "The house of %s stands in %s"
                                        .formatted(name, person.town().name())));
        return paragraph(random, opening, rest);
    }

    private String aboutTown(StableRandom random, Town town) {
        List<Person> people = random.shuffled(world.peopleOf(town));
        List<String> rest = new ArrayList<>();
        rest.add("%s is known for its %s".formatted(town.name(), town.good()));
        rest.add(
                "There is %s %s in %s"
                        .formatted(
                                town.building().equals("inn") ? "an" : "a",
                                town.building(),
                                town.name()));
        rest.add(
                "%s and %s live in %s"
                        .formatted(people.get(0).name(), people.get(1).name(), town.name()));
        rest.add(
                "The %s %s comes from %s"
                        .formatted(
                                people.get(0).craft().name(), people.get(0).name(), town.name()));
        rest.add(
                "%s it is %s in %s"
                        .formatted(random.pick(TIMES), random.pick(WEATHER), town.name()));
        rest.add(
                "%s %s carts with %s left %s"
                        .formatted(
                                random.pick(TIMES),
                                random.pick(NUMBERS),
                                town.good(),
                                town.name()));
        String opening =
                random.pick(
                        List.of(
                                "%s lies on the %s river".formatted(town.name(), town.river()),
                                "The %s river flows past %s".formatted(town.river(), town.name())));
        return paragraph(random, opening, rest);
    }

    /** The opening, then three or more of the rest in random order. */
    private static String paragraph(StableRandom random, String opening, List<String> rest) {
        List<String> sentences = new ArrayList<>(List.of(opening));
        sentences.addAll(random.shuffled(rest).subList(0, random.between(3, rest.size())));
        return String.join(". ", sentences) + ".";
    }
}
