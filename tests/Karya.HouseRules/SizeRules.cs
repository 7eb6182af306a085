using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Karya.HouseRules;

/// <summary>Files, methods and lines that a reader can take in.</summary>
public static class SizeRules
{
    public const int FileLinesMax = 600;
    public const int MethodLinesMax = 70;
    public const int LineColumnsMax = 120;

    public static IEnumerable<string> Files(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsProduct
        let lineCount = file.Lines.Length
        where lineCount > FileLinesMax
        select file.At(1, $"{lineCount} lines, allowed are {FileLinesMax}.");

    public static IEnumerable<string> Methods(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsProduct
        from node in file.Root.DescendantNodes()
        where node is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax
        let lineCount = LineCount(node)
        where lineCount > MethodLinesMax
        select file.At(node, $"a method of {lineCount} lines, allowed are {MethodLinesMax}.");

    public static IEnumerable<string> Columns(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsCSharp
        from line in file.Lines.Index()
        where line.Item.TrimEnd('\r').Length > LineColumnsMax
        select file.At(line.Index + 1, $"{line.Item.Length} columns, allowed are {LineColumnsMax}.");

    /// <summary>From the first line of the declaration, without its comment, to its last.</summary>
    public static int LineCount(SyntaxNode node)
    {
        var span = node.GetLocation().GetLineSpan();
        return span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
    }
}
