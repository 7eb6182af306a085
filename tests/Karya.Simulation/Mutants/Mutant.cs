using System.Globalization;
using System.Reflection;

namespace Karya.Simulation.Mutants;

/// <summary>A deliberate bug: proof that the judge would see it if it were there.</summary>
/// <param name="Name">Of one word.</param>
/// <param name="What">What is wrong.</param>
/// <param name="File">Below the repository.</param>
/// <param name="Find">What stands there, exactly once.</param>
/// <param name="Replace">
/// What stands there in the copy; <c>MUTANT</c> is true when this mutant is the one that is on.
/// </param>
internal sealed record Mutant(string Name, string What, string File, string Find, string Replace)
{
    /// <summary>Turns one on, in an executable that was built with them; null for none.</summary>
    public static void TurnOn(string? name)
    {
        if (name is null)
            return;
        int number = 1 + AllMutants.All.ToList().FindIndex(mutant => mutant.Name == name);
        var field = typeof(Engine.PlanId).Assembly.GetType("Karya.Engine.MutantSwitch")
            ?.GetField("On", BindingFlags.Public | BindingFlags.Static);
        if (number == 0 || field is null)
        {
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"There is no mutant {name} in this executable."));
        }

        field.SetValue(null, number);
    }
}
