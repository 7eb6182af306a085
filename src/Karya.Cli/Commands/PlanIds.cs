using System.CommandLine;

namespace Karya.Cli.Commands;

/// <summary>The ids of plans, as arguments.</summary>
internal static class PlanIds
{
    public static Argument<Guid> One() => new("ID")
    {
        Description = "The id of the plan, as karya list prints it.",
        CustomParser = result => Flags.Read(result, Read, ""),
    };

    public static Argument<Guid[]> Many() => new("ID")
    {
        Description = "The ids of the plans, as karya list prints them.",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result =>
        {
            try
            {
                return [.. result.Tokens.Select(token => Read(token.Value)).Distinct()];
            }
            catch (FormatException exception)
            {
                result.AddError(exception.Message);
                return [];
            }
        },
    };

    public static Guid Read(string text) => Guid.TryParse(text, out var id)
        ? id
        : throw new FormatException($"'{text}' is no id: that is a UUID such as 01a20a7b-5d5f-7000-aae0-21f5763fed03.");
}
