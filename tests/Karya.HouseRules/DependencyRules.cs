using System.Xml.Linq;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Karya.HouseRules;

/// <summary>Who may know whom: projects, and the folders inside Karya.Node.</summary>
public static class DependencyRules
{
    /// <summary>The parts of a node that meet only in its root files.</summary>
    private static readonly string[] Parts = ["Network", "Http", "Storage", "Cluster", "Execution"];

    /// <summary>
    /// The projects of src and the ones that each may reference. The engine and the wire know nobody.
    /// </summary>
    private static readonly Dictionary<string, string[]> AllowedReferences = new()
    {
        ["Karya.Engine"] = [],
        ["Karya.Protocol"] = [],
        ["Karya.Client"] = ["Karya.Protocol"],
        ["Karya.Node"] = ["Karya.Engine", "Karya.Protocol"],
        ["Karya.Cli"] = ["Karya.Client", "Karya.Node"],
    };

    public static IEnumerable<string> Projects(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsUnder("src") && file.Path.EndsWith(".csproj", StringComparison.Ordinal)
        from reference in XDocument.Parse(file.Text).Descendants("ProjectReference")
        let target = Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value)
        where !AllowedReferences.GetValueOrDefault(file.Name, []).Contains(target)
        select file.At(1, $"{file.Name} may not reference {target}.");

    /// <summary>A project that the solution does not list is neither built nor tested.</summary>
    public static IEnumerable<string> Solution(IReadOnlyList<SourceFile> files)
    {
        string solution = files.Single(file => file.Path == "Karya.sln").Text.Replace('\\', '/');

        return
            from file in files
            where file.Path.EndsWith(".csproj", StringComparison.Ordinal) && !solution.Contains(file.Path)
            select file.At(1, "not in Karya.sln: nobody builds it.");
    }

    public static IEnumerable<string> NodeFolders(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsCSharp && file.IsUnder("src/Karya.Node")
        let segments = file.Path.Split('/')
        where segments.Length > 3 && Parts.Contains(segments[2])
        from name in file.Root.DescendantNodes().Where(node => node is NameSyntax or MemberAccessExpressionSyntax)
        where name.Parent is not (QualifiedNameSyntax or BaseNamespaceDeclarationSyntax)
        let part = PartNamed(name.ToString(), inTypePosition: name is QualifiedNameSyntax)
        where part is not null && part != segments[2]
        select file.At(name, $"{segments[2]} uses {part}: they meet only in the root of Karya.Node.");

    /// <summary>
    /// `Karya.Node.Http...` anywhere; `Http.X` as a type, which C# reads relative to our own namespace.
    /// </summary>
    private static string? PartNamed(string name, bool inTypePosition)
    {
        const string Root = "Karya.Node.";
        string plain = name.Replace("global::", "", StringComparison.Ordinal);

        if (plain.StartsWith(Root, StringComparison.Ordinal))
            plain = plain[Root.Length..];
        else if (!inTypePosition)
            return null;

        string first = plain.Split('.')[0];
        return Parts.Contains(first) ? first : null;
    }
}
