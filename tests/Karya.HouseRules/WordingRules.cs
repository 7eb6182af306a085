using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Karya.HouseRules;

/// <summary>What may not be written: postponed work, hidden code, and anything that names somebody's machine.</summary>
public static partial class WordingRules
{
    public static IEnumerable<string> PostponedWork(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsCSharp
        from trivia in file.Root.DescendantTrivia()
        where IsComment(trivia)
        let match = Postponed().Match(trivia.ToFullString())
        where match.Success
        select file.At(trivia.GetLocation(), $"{match.Value} in a comment: finish it, or open an issue.");

    public static IEnumerable<string> Regions(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsCSharp
        from trivia in file.Root.DescendantTrivia(descendIntoTrivia: true)
        where trivia.IsKind(SyntaxKind.RegionDirectiveTrivia)
        select file.At(trivia.GetLocation(), "#region hides code: split the type instead.");

    /// <summary>The rules' own samples are exempt: they have to spell what they forbid.</summary>
    public static IEnumerable<string> Machines(IReadOnlyList<SourceFile> files) =>
        from file in files
        where !file.IsUnder("tests/Karya.HouseRules")
        from line in file.Lines.Index()
        let match = MachineOrRegistry().Match(line.Item)
        where match.Success
        select file.At(line.Index + 1, $"`{match.Value}` names a machine or a package registry.");

    private static bool IsComment(SyntaxTrivia trivia) => trivia.Kind() is
        SyntaxKind.SingleLineCommentTrivia or SyntaxKind.MultiLineCommentTrivia or
        SyntaxKind.SingleLineDocumentationCommentTrivia or SyntaxKind.MultiLineDocumentationCommentTrivia;

    [GeneratedRegex(@"\b(TODO|FIXME|HACK)\b")]
    private static partial Regex Postponed();

    [GeneratedRegex(@"(?<![\w.])/(work|root|home)/|\b(nuget\.org|npmjs\.(org|com)|pypi\.org|myget\.org|docker\.io)\b")]
    private static partial Regex MachineOrRegistry();
}
