using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Karya.HouseRules;

/// <summary>How types are named, where they live and how they are split.</summary>
public static class TypeRules
{
    /// <summary>A type that shares a file with the one that the file is named after is small.</summary>
    public const int FamilyMemberLinesMax = 60;

    private static readonly string[] EmptyEndings =
        ["Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Services", "Impl", "Info"];

    /// <summary>Every file imports System.Threading.Tasks.</summary>
    private static readonly string[] NamesOfTheRuntime = ["Task", "TaskStatus", "TaskScheduler", "TaskFactory"];

    /// <summary>Attributes whose generators write the other half of a type.</summary>
    private static readonly string[] GeneratorAttributes =
        ["LoggerMessage", "LibraryImport", "GeneratedRegex", "JsonSerializable"];

    /// <summary>Files that hold a family without a head, and are named after the family.</summary>
    private static readonly string[] FamilyFiles = ["src/Karya.Engine/Effects.cs", "src/Karya.Engine/Identity.cs"];

    /// <summary>Interfaces of src that may have a single implementation there, and why.</summary>
    public static readonly IReadOnlyDictionary<string, string> LoneInterfaces = new Dictionary<string, string>
    {
        ["IReplyTarget"] = "the engine's way out: HTTP implements it, other protocols and the simulator will",
        ["IStore"] = "one per database, plus the simulated store; all pass the same tests",
        ["IConnector"] = "one per kind of action",
        ["IKaryaTask"] = "implemented by the users of the client",
        ["IWorkerSession"] = "a connection, which the desk of workers must not know; tests have their own",
        ["IClusterBoard"] = "what a cluster knows of Redis, which tests do without",
        ["IClusterStore"] = "the parts of a node know no database; a store of one node alone has no such thing",
        ["IDeadLetterDesk"] = "as IPlanDesk",
        ["IPlanDesk"] = "protocols are tested against a desk of their own, without an engine behind it",
    };

    public static IEnumerable<string> Names(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsProduct
        from type in Types(file)
        let name = NameOf(type)
        where NamesOfTheRuntime.Contains(name) ||
            Array.Exists(EmptyEndings, ending => name.EndsWith(ending, StringComparison.Ordinal))
        select file.At(type, $"`{name}` says nothing, or clashes with the runtime: name what it does.");

    public static IEnumerable<string> OnePerFile(IReadOnlyList<SourceFile> files) =>
        files.Where(file => file.IsUnder("src") && file.IsCSharp).SelectMany(OnePerFile);

    public static IEnumerable<string> Partials(IReadOnlyList<SourceFile> files) =>
        from file in files
        where file.IsProduct
        from type in Types(file).OfType<TypeDeclarationSyntax>()
        where type.Modifiers.Any(SyntaxKind.PartialKeyword) && !HasGenerator(type)
        select file.At(type, $"`{NameOf(type)}` is partial, and no source generator writes its other half.");

    public static IEnumerable<string> SingleImplementations(IReadOnlyList<SourceFile> files)
    {
        var sources = files.Where(file => file.IsUnder("src") && file.IsCSharp).ToList();
        var implementations = sources.SelectMany(Types).OfType<TypeDeclarationSyntax>()
            .Where(type => type is not InterfaceDeclarationSyntax)
            .SelectMany(type => type.BaseList?.Types.Select(parent => RightmostName(parent.Type)) ?? [])
            .CountBy(name => name)
            .ToDictionary();

        return
            from file in sources
            from type in Types(file).OfType<InterfaceDeclarationSyntax>()
            let name = NameOf(type)
            where implementations.GetValueOrDefault(name) < 2 && !LoneInterfaces.ContainsKey(name)
            select file.At(type, $"`{name}` has fewer than two implementations: use the type, or list the reason.");
    }

    private static IEnumerable<string> OnePerFile(SourceFile file)
    {
        var types = Types(file).Where(type => type.Parent is BaseNamespaceDeclarationSyntax or CompilationUnitSyntax)
            .ToList();
        var head = types.Find(type => NameOf(type) == file.Name || NameOf(type) + "s" == file.Name);

        if (types.Count > 0 && head is null && !FamilyFiles.Contains(file.Path))
            yield return file.At(types[0], $"no type here is named `{file.Name}`, as the file is.");

        foreach (var type in types.Where(type => type != head && SizeRules.LineCount(type) > FamilyMemberLinesMax))
            yield return file.At(type, $"`{NameOf(type)}` is too large for the file of `{file.Name}`.");
    }

    private static bool HasGenerator(TypeDeclarationSyntax type) =>
        type.DescendantNodes().OfType<AttributeSyntax>()
            .Any(attribute => GeneratorAttributes.Contains(RightmostName(attribute.Name)));

    private static IEnumerable<MemberDeclarationSyntax> Types(SourceFile file) =>
        file.Root.DescendantNodes().OfType<MemberDeclarationSyntax>()
            .Where(node => node is BaseTypeDeclarationSyntax or DelegateDeclarationSyntax);

    private static string NameOf(MemberDeclarationSyntax type) =>
        type is DelegateDeclarationSyntax named
            ? named.Identifier.ValueText
            : ((BaseTypeDeclarationSyntax)type).Identifier.ValueText;

    private static string RightmostName(TypeSyntax type) => type switch
    {
        QualifiedNameSyntax qualified => RightmostName(qualified.Right),
        SimpleNameSyntax simple => simple.Identifier.ValueText,
        _ => type.ToString(),
    };
}
