using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Karya.HouseRules;

/// <summary>One text file of the repository.</summary>
/// <param name="Path">Relative to the top of the repository, with forward slashes.</param>
public sealed record SourceFile(string Path, string Text)
{
    private readonly Lazy<SyntaxNode> _root = new(() => CSharpSyntaxTree.ParseText(Text).GetRoot());

    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    public bool IsCSharp => Path.EndsWith(".cs", StringComparison.Ordinal);

    /// <summary>The code that is shipped, or that measures what is shipped: the size rules are for these.</summary>
    public bool IsProduct => IsCSharp && (IsUnder("src") || IsUnder("loadtests") || IsUnder("benchmarks"));

    /// <summary>The syntax tree; only for <see cref="IsCSharp"/>.</summary>
    public SyntaxNode Root => _root.Value;

    public string[] Lines => Text.Split('\n');

    public bool IsUnder(string folder) => Path.StartsWith(folder + "/", StringComparison.Ordinal);

    public string At(SyntaxNode node, string message) => At(node.GetLocation(), message);

    public string At(Location location, string message) =>
        At(location.GetLineSpan().StartLinePosition.Line + 1, message);

    /// <param name="line">From 1.</param>
    public string At(int line, string message) => $"{Path}:{line}: {message}";
}
