using Xunit;

namespace Karya.HouseRules;

/// <summary>All rules over the real tree.</summary>
public sealed class RepositoryTests
{
    private static readonly IReadOnlyList<SourceFile> Files = Repository.ReadFiles();

    [Fact]
    public void The_walk_finds_the_sources_of_every_project_and_no_build_output()
    {
        string[] projects = ["Karya.Protocol", "Karya.Engine", "Karya.Node", "Karya.Client", "Karya.Cli"];
        string[] paths = [.. Files.Select(file => file.Path)];

        Assert.All(projects, project => Assert.Contains($"src/{project}/{project}.csproj", paths));
        Assert.Contains(".ci/run", paths);
        Assert.DoesNotContain(paths, path => path.StartsWith("artifacts/", StringComparison.Ordinal));
    }

    [Fact]
    public void Files_are_short() => Holds(SizeRules.Files(Files));

    [Fact]
    public void Methods_are_short() => Holds(SizeRules.Methods(Files));

    [Fact]
    public void Lines_fit_the_screen() => Holds(SizeRules.Columns(Files));

    [Fact]
    public void No_work_is_postponed_in_a_comment() => Holds(WordingRules.PostponedWork(Files));

    [Fact]
    public void No_code_is_hidden_in_a_region() => Holds(WordingRules.Regions(Files));

    [Fact]
    public void Nothing_names_a_machine_or_a_package_registry() => Holds(WordingRules.Machines(Files));

    [Fact]
    public void Type_names_say_something() => Holds(TypeRules.Names(Files));

    [Fact]
    public void A_file_holds_the_type_it_is_named_after() => Holds(TypeRules.OnePerFile(Files));

    [Fact]
    public void Only_source_generators_split_a_type() => Holds(TypeRules.Partials(Files));

    [Fact]
    public void An_interface_has_two_implementations_or_a_reason() => Holds(TypeRules.SingleImplementations(Files));

    [Fact]
    public void Projects_reference_what_the_layout_allows() => Holds(DependencyRules.Projects(Files));

    [Fact]
    public void The_solution_lists_every_project() => Holds(DependencyRules.Solution(Files));

    [Fact]
    public void The_parts_of_a_node_do_not_know_each_other() => Holds(DependencyRules.NodeFolders(Files));

    [Fact]
    public void The_top_of_the_repository_is_tidy() => Holds(LayoutRules.Top(Repository.TopEntries()));

    private static void Holds(IEnumerable<string> violations) =>
        Assert.True(!violations.Any(), string.Join('\n', violations));
}
