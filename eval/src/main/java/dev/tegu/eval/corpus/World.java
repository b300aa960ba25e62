package dev.tegu.eval.corpus;

import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.List;

/**
 * The facts of a small invented world, fixed by a seed: who lives where and does what. Statements
 * made from it never contradict each other, so a small model can learn them by heart.
 *
 * @param people everyone, in a fixed order
 * @param towns every town, in a fixed order
 */
record World(List<Person> people, List<Town> towns) {
    /**
     * A craft, the same in every world.
     *
     * @param name who does it, for example {@code baker}
     * @param product what is made, plural or mass noun
     * @param material what it is made from
     * @param tool what is worked with, with its article
     */
    record Craft(String name, String product, String material, String tool) {}

    /**
     * A kind of animal, the same in every world.
     *
     * @param name for example {@code goat}
     * @param food what it eats
     * @param place where it sleeps, with preposition
     */
    record Animal(String name, String food, String place) {}

    /**
     * @param good what the town is known for
     * @param building the building at its square
     */
    record Town(String name, String river, String good, String building) {}

    /**
     * @param woman whether sentences say {@code she}
     * @param colour colour of the animal
     * @param friend name of the best friend, another person
     */
    record Person(
            String name,
            boolean woman,
            Town town,
            Craft craft,
            Animal animal,
            String colour,
            String friend) {}

    private static final List<Craft> CRAFTS =
            List.of(
                    new Craft("baker", "bread", "flour", "an oven"),
                    new Craft("potter", "bowls", "clay", "a wheel"),
                    new Craft("weaver", "cloth", "wool", "a loom"),
                    new Craft("smith", "nails", "iron", "a hammer"),
                    new Craft("cooper", "barrels", "oak", "a saw"),
                    new Craft("cobbler", "boots", "leather", "a needle"),
                    new Craft("carver", "spoons", "pine", "a knife"),
                    new Craft("brewer", "beer", "barley", "a kettle"),
                    new Craft("glazier", "windows", "sand", "a furnace"),
                    new Craft("roper", "ropes", "hemp", "a hook"));
    private static final List<Animal> ANIMALS =
            List.of(
                    new Animal("goat", "leaves", "behind the house"),
                    new Animal("cat", "mice", "on the roof"),
                    new Animal("dog", "bones", "by the door"),
                    new Animal("pony", "oats", "in the stable"),
                    new Animal("goose", "snails", "near the pond"),
                    new Animal("rabbit", "carrots", "in a box"),
                    new Animal("cow", "hay", "in the barn"),
                    new Animal("owl", "beetles", "under the beam"));
    private static final List<String> WOMEN =
            List.of(
                    "Ansa", "Brida", "Celmi", "Dorle", "Elka", "Finna", "Gunta", "Hedla", "Ilsa",
                    "Jorna", "Kelda", "Lurin");
    private static final List<String> MEN =
            List.of(
                    "Arvo", "Bendt", "Corm", "Dagan", "Emmer", "Fosko", "Garl", "Hobin", "Ivert",
                    "Joss", "Karro", "Lemke");
    private static final List<String> TOWNS =
            List.of(
                    "Ashmere",
                    "Birkholt",
                    "Cranford",
                    "Dunwall",
                    "Elmstead",
                    "Farrow",
                    "Greyhaven",
                    "Hollin");
    private static final List<String> RIVERS = List.of("Amber", "Birch", "Copper", "Dusk");
    private static final List<String> GOODS =
            List.of("salt", "honey", "timber", "wine", "cheese", "fish", "paper", "silver");
    private static final List<String> BUILDINGS =
            List.of("mill", "bridge", "tower", "market", "chapel", "school", "inn", "well");
    private static final List<String> COLOURS =
            List.of("white", "black", "brown", "grey", "red", "yellow");

    /** Copies the lists. */
    World {
        people = List.copyOf(people);
        towns = List.copyOf(towns);
    }

    /** The world of that random stream: 24 people in 8 towns. */
    static World of(StableRandom random) {
        List<String> goods = random.shuffled(GOODS);
        List<String> buildings = random.shuffled(BUILDINGS);
        List<Town> towns = new ArrayList<>();
        for (int i = 0; i < TOWNS.size(); i++) {
            towns.add(new Town(TOWNS.get(i), random.pick(RIVERS), goods.get(i), buildings.get(i)));
        }
        List<String> names = new ArrayList<>(WOMEN);
        names.addAll(MEN);
        names = random.shuffled(names);
        List<Person> people = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            people.add(
                    new Person(
                            names.get(i),
                            WOMEN.contains(names.get(i)),
                            towns.get(i % towns.size()),
                            random.pick(CRAFTS),
                            random.pick(ANIMALS),
                            random.pick(COLOURS),
                            names.get((i + 1) % names.size())));
        }
        return new World(people, towns);
    }

    /** The people who live in a town, three of each. */
    List<Person> peopleOf(Town town) {
        return people.stream().filter(person -> person.town().equals(town)).toList();
    }
}
