using Xunit;

namespace Karya.HouseRules;

/// <summary>Every rule can fail: each is fed a small text that breaks it, and one that is just right.</summary>
public sealed class RuleTests
{
    [Fact]
    public void A_file_of_601_lines_is_too_long()
    {
        Assert.Empty(SizeRules.Files(File("src/A/B.cs", new string('\n', 599))));
        Assert.Single(SizeRules.Files(File("src/A/B.cs", new string('\n', 600))));
    }

    [Fact]
    public void A_method_of_71_lines_is_too_long()
    {
        static string Method(int lines) =>
            $"class B {{ /// <summary>No line of it.</summary>\n void M()\n{{{new string('\n', lines - 2)}}} }}";

        Assert.Empty(SizeRules.Methods(File("src/A/B.cs", Method(70))));
        Assert.Equal(
            ["src/A/B.cs:2: a method of 71 lines, allowed are 70."], SizeRules.Methods(File("src/A/B.cs", Method(71))));
    }

    [Fact]
    public void A_line_of_121_columns_is_too_long_in_tests_too()
    {
        Assert.Empty(SizeRules.Columns(File("tests/A/B.cs", new string('/', 120) + "\r\n")));
        Assert.Single(SizeRules.Columns(File("tests/A/B.cs", "\n" + new string('/', 121))));
    }

    [Theory]
    [InlineData("// TODO: later")]
    [InlineData("/* FIXME */")]
    [InlineData("/// <summary>HACK around it.</summary>\nclass C;")]
    public void Postponed_work_is_found_in_every_kind_of_comment(string text) =>
        Assert.Single(WordingRules.PostponedWork(File("src/A/B.cs", text)));

    [Fact]
    public void A_word_in_a_string_is_not_postponed_work() =>
        Assert.Empty(WordingRules.PostponedWork(File("src/A/B.cs", "class C { string s = \"TODO\"; } // methodology")));

    [Fact]
    public void A_region_is_found() =>
        Assert.Single(WordingRules.Regions(File("src/A/B.cs", "class C {\n#region X\n#endregion\n}")));

    [Theory]
    [InlineData("docs/a.md", "see `/work/notes`")]
    [InlineData("src/A/B.cs", "var home = \"/root/.config\";")]
    [InlineData(".ci/run", "cd /home/me")]
    [InlineData("docs/a.md", "from https://www.nuget.org/packages/x")]
    [InlineData("tests/a/package-lock.json", "\"resolved\": \"https://registry.npmjs.org/a\"")]
    public void A_path_of_a_machine_or_a_registry_is_found(string path, string text) =>
        Assert.Single(WordingRules.Machines(File(path, text)));

    [Fact]
    public void A_path_on_a_server_is_no_path_of_a_machine() =>
        Assert.Empty(WordingRules.Machines(File("docs/a.md", "POST 127.0.0.1:9000/work/1, /var/lib/karya")));

    [Theory]
    [InlineData("class PlanManager;")]
    [InlineData("static class StringUtils;")]
    [InlineData("record PlanInfo;")]
    [InlineData("interface IPlanService;")]
    [InlineData("enum TaskStatus;")]
    [InlineData("class Outer { struct Task; }")]
    public void An_empty_name_is_found(string text) =>
        Assert.Single(TypeRules.Names(File("src/A/B.cs", text)));

    [Fact]
    public void A_name_that_only_contains_a_forbidden_word_is_fine() =>
        Assert.Empty(TypeRules.Names(File("src/A/B.cs", "class PlanTask; class ServiceLevel; class Informer;")));

    [Theory]
    [InlineData("src/A/Wheel.cs", "namespace A; class Clock;")]
    [InlineData("src/A/Wheel.cs", "namespace A; delegate void Tick();")]
    [InlineData("src/A/Events.cs", "namespace A; enum Kind; struct Payload;")]
    public void A_file_without_the_type_it_is_named_after_is_found(string path, string text) =>
        Assert.Single(TypeRules.OnePerFile(File(path, text)));

    [Theory]
    [InlineData("src/A/Event.cs", "namespace A; enum Kind; struct Event;")]
    [InlineData("src/A/Events.cs", "namespace A { enum Kind; struct Event { class Inner; } }")]
    [InlineData("src/A/Program.cs", "System.Console.WriteLine();")]
    public void A_family_named_after_one_of_its_types_is_fine(string path, string text) =>
        Assert.Empty(TypeRules.OnePerFile(File(path, text)));

    [Fact]
    public void A_large_type_does_not_hide_in_the_file_of_another()
    {
        string text = $"namespace A; class Wheel;\nclass Clock {{{new string('\n', 60)}}}";

        Assert.Equal(
            ["src/A/Wheel.cs:2: `Clock` is too large for the file of `Wheel`."],
            TypeRules.OnePerFile(File("src/A/Wheel.cs", text)));
    }

    [Fact]
    public void A_type_split_by_hand_is_found() =>
        Assert.Single(TypeRules.Partials(File("src/A/B.cs", "partial class B { [System.Obsolete] void M() { } }")));

    [Theory]
    [InlineData("static partial class B { [LoggerMessage(1)] static partial void M(); }")]
    [InlineData("static partial class B { [Regular.GeneratedRegex(\"a\")] static partial Regex M(); }")]
    [InlineData("[JsonSerializable(typeof(int))] partial class B : JsonSerializerContext;")]
    public void A_type_that_a_generator_completes_is_fine(string text) =>
        Assert.Empty(TypeRules.Partials(File("src/A/B.cs", text)));

    [Fact]
    public void An_interface_for_one_type_is_found_and_one_for_two_is_not()
    {
        SourceFile port = new("src/A/IPort.cs", "namespace A; interface IPort<T>;");
        SourceFile first = new("src/A/First.cs", "class First : IDisposable, A.IPort<int>;");
        SourceFile second = new("src/A/Second.cs", "sealed record Second(int X) : IPort<long>;");

        Assert.Single(TypeRules.SingleImplementations([port, first]));
        Assert.Empty(TypeRules.SingleImplementations([port, first, second]));
    }

    [Fact]
    public void A_listed_interface_may_have_one_implementation() =>
        Assert.Empty(TypeRules.SingleImplementations(File("src/A/IStore.cs", "interface IStore; class S : IStore;")));

    [Theory]
    [InlineData("Karya.Engine", "Karya.Protocol")]
    [InlineData("Karya.Protocol", "Karya.Engine")]
    [InlineData("Karya.Client", "Karya.Node")]
    [InlineData("Karya.Unheard", "Karya.Engine")]
    public void A_reference_against_the_layout_is_found(string from, string to) =>
        Assert.Single(DependencyRules.Projects(File($"src/{from}/{from}.csproj", Project(to))));

    [Fact]
    public void The_node_may_reference_the_engine() =>
        Assert.Empty(DependencyRules.Projects(File("src/Karya.Node/Karya.Node.csproj", Project("Karya.Engine"))));

    [Fact]
    public void A_project_outside_the_solution_is_found()
    {
        SourceFile solution = new("Karya.sln", "Project = \"A\", \"tests\\A\\A.csproj\"");

        Assert.Equal(
            ["tests/B/B.csproj:1: not in Karya.sln: nobody builds it."],
            DependencyRules.Solution([solution, new("tests/A/A.csproj", ""), new("tests/B/B.csproj", "")]));
    }

    [Theory]
    [InlineData("using Karya.Node.Storage;")]
    [InlineData("using Store = Karya.Node.Storage.SqliteStore;")]
    [InlineData("class A { Karya.Node.Storage.IStore? store; }")]
    [InlineData("class A { Storage.IStore? store; }")]
    [InlineData("class A { object o = Karya.Node.Storage.Marks.None; }")]
    public void A_part_of_the_node_that_uses_another_is_found(string text) =>
        Assert.NotEmpty(DependencyRules.NodeFolders(File("src/Karya.Node/Http/V1/A.cs", text)));

    [Theory]
    [InlineData("src/Karya.Node/Http/A.cs", "using Karya.Node.Plans; using Karya.Node.Http.V1;")]
    [InlineData("src/Karya.Node/Http/A.cs", "using System.Net.Http; class A { object o = Storage.Of(this); }")]
    [InlineData("src/Karya.Node/Node.cs", "using Karya.Node.Http; using Karya.Node.Storage;")]
    public void The_root_and_shared_folders_may_be_used(string path, string text) =>
        Assert.Empty(DependencyRules.NodeFolders(File(path, text)));

    [Fact]
    public void A_stray_entry_at_the_top_is_found() =>
        Assert.Equal(
            ["notes.txt: the top of the repository has no such entry."],
            LayoutRules.Top(["src", "notes.txt", "README.md"]));

    private static SourceFile[] File(string path, string text) => [new SourceFile(path, text)];

    private static string Project(string reference) =>
        $"<Project><ItemGroup><ProjectReference Include=\"../{reference}/{reference}.csproj\" /></ItemGroup></Project>";
}
