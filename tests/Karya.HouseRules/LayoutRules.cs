namespace Karya.HouseRules;

/// <summary>The top of the repository is a table of contents: nothing gets there by accident.</summary>
public static class LayoutRules
{
    private static readonly string[] Allowed =
    [
        "src", "tests", "benchmarks", "loadtests", "docs", ".ci",
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "karya-node.yml",
        "Karya.sln", "build.cake", "build.sh", "dotnet-tools.json", "global.json",
        "Directory.Build.props", "Directory.Packages.props", ".editorconfig", ".gitattributes", ".gitignore",
    ];

    public static IEnumerable<string> Top(IReadOnlyList<string> entries) =>
        entries.Except(Allowed).Select(entry => $"{entry}: the top of the repository has no such entry.");
}
